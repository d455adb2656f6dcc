"""Names of people and of streets, to read on a screen."""

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
STREETS = (
    "Bridge Street,Canal Row,Castle Lane,Church Road,Garden Square,Harbour Street,High Street,Hill Road,"
    "King's Quay,Linden Avenue,Market Square,Mill Lane,Museum Quarter,North Quay,Park Lane,Queen Street,"
    "School Street,Station Square,Tower Road,West Gate"
).split(",")
