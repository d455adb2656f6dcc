import { LogIn, LogOut, Me, mutationProblems, problemsOf, SignUp } from "@taxirank/client";
import { TaxirankProvider, useSession, type Session } from "@taxirank/client/react";
import { overUrql } from "@taxirank/client/urql";
import { useMemo } from "react";
import { Provider, useMutation, useQuery } from "urql";

import { Link, Problems, SignInForm } from "../../common/parts";
import { openClient } from "./client";
import { Driver } from "./Driver";
import { Rider } from "./Rider";

export function App() {
  const session = useSession(openClient);
  const connection = useMemo(() => overUrql(session.client), [session.client]);
  return (
    <Provider value={session.client}>
      <TaxirankProvider connection={connection}>
        <Page {...session} />
      </TaxirankProvider>
    </Provider>
  );
}

/** The form for who is not logged in; otherwise the screen of a rider or a driver. */
function Page({ link, renew }: Pick<Session<unknown>, "link" | "renew">) {
  const [{ data, error }] = useQuery({ query: Me });
  const [loggedOut, logOut] = useMutation(LogOut);
  const me = data?.me;
  return (
    <>
      <header>
        <h1>Taxirank</h1>
        {me && (
          <>
            <span>{me.firstName}</span>
            <button onClick={() => void logOut({}).then(({ error }) => error ?? renew())}>Log out</button>
          </>
        )}
      </header>
      <main>
        <Problems problems={[...(error ? problemsOf(error) : []), ...mutationProblems(loggedOut)]} />
        {me === undefined && (error ? <button onClick={renew}>Try again</button> : <p>Loading…</p>)}
        {me === null && <SignIn onDone={renew} />}
        {me && <Link link={link} onLogIn={renew} />}
        {me?.role === "RIDER" && <Rider />}
        {me?.role === "DRIVER" && <Driver id={me.id} />}
      </main>
    </>
  );
}

function SignIn({ onDone }: { onDone: () => void }) {
  const [signedUp, signUp] = useMutation(SignUp);
  const [loggedIn, logIn] = useMutation(LogIn);
  return (
    <SignInForm
      isBusy={signedUp.fetching || loggedIn.fetching}
      problems={[...mutationProblems(signedUp), ...mutationProblems(loggedIn)]}
      onSignUp={async (input) => {
        const { data } = await signUp({ input });
        if (data?.signUp.errors.length === 0) onDone();
      }}
      onLogIn={async (username, password) => {
        // Without a token the session is a cookie.
        const { data } = await logIn({ username, password, issueToken: false });
        if (data?.logIn.errors.length === 0) onDone();
      }}
    />
  );
}
