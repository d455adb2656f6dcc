"""Names of people and of streets, and vehicles, to read on a screen."""

# ruff: noqa: SIM905 - as lists, each word would be a line.

FIRST_NAMES = (
    "Ada Amir Anna Bela Bruno Carla Chen Dana Diego Edda Emre Femi Freya Goran Hana Ilse Ines Ivan Jana Jonas "
    "Kofi Lena Liam Lucia Mads Maya Milan Nadia Nils Noor Olga Omar Pia Priya Quinn Rosa Ruben Sara Sven Tara "
    "Timo Uma Vera Wim Yara Zoe"
).split()
LAST_NAMES = (
    "Adler Bakker Costa Dekker Eriksen Ferrari Garcia Haddad Ivanov Jansen Kaya Lindqvist Mensah Novak Okafor "
    "Petrov Quist Rossi Santos Tanaka Usman Visser Weber Xu Yilmaz Zeman"
).split()
# Make, model, colour and seats.
VEHICLES = (
    ("Toyota", "Prius", "white", 4),
    ("Toyota", "Corolla", "silver", 4),
    ("Skoda", "Octavia", "black", 4),
    ("Volkswagen", "ID.4", "blue", 4),
    ("Mercedes-Benz", "V-Class", "black", 7),
    ("Renault", "Zoe", "red", 3),
)
STREETS = (
    "Bridge Street,Canal Row,Castle Lane,Church Road,Garden Square,Harbour Street,High Street,Hill Road,"
    "King's Quay,Linden Avenue,Market Square,Mill Lane,Museum Quarter,North Quay,Park Lane,Queen Street,"
    "School Street,Station Square,Tower Road,West Gate"
).split(",")
