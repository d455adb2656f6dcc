import { LogIn, SignUp, userProblems, type Problem, type Role } from "@taxirank/client";

import { Connection } from "../../api/connection";
import { randomText } from "../api/randomText";

/** Whether the server offers a demo: it says so in its page. */
export const HAS_DEMO = document.documentElement.dataset["demo"] !== undefined;

/** The ride of the demo, by the names of places. */
export const DEMO_RIDE = { from: "Dam Square", to: "Artis Zoo" };

const PEOPLE: Record<Role, { firstName: string; lastName: string }> = {
  RIDER: { firstName: "Robin", lastName: "Vos" },
  DRIVER: { firstName: "Dana", lastName: "Okafor" },
};

const CAR = { make: "Skoda", model: "Octavia", color: "Blue", licensePlate: "DE-M0-23", seats: 4 };

/** Sign up a rider or a driver whose password nobody knows. Returns the token, or the reason why there is none. */
export async function signUpDemo(role: Role): Promise<string | Problem[]> {
  const [username, password] = [`demo-${role.toLowerCase()}-${randomText().slice(0, 12)}`, randomText()];
  const vehicle = role === "DRIVER" ? CAR : null;
  const input = { username, password1: password, password2: password, role, vehicle, ...PEOPLE[role] };
  const connection = new Connection("nobody");
  const created = await connection.ask(SignUp, { input });
  if (created.data === null) return created.problems;
  if (created.data.signUp.errors.length > 0) return userProblems(created.data.signUp.errors);
  const { data, problems } = await connection.ask(LogIn, { username, password });
  if (data === null) return problems;
  return data.logIn.token ?? userProblems(data.logIn.errors);
}
