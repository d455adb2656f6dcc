import { ApolloProvider, useMutation, useQuery } from "@apollo/client/react";
import { LogIn, LogOut, Me, mutationProblems, problemsOf, SignUp } from "@taxirank/client";
import { overApollo } from "@taxirank/client/apollo";
import { TaxirankProvider, useSession, type Session } from "@taxirank/client/react";
import { useMemo } from "react";

import { Link, Problems, SignInForm } from "../../common/parts";
import { openClient } from "./client";
import { Driver } from "./Driver";
import { Rider } from "./Rider";

export function App() {
  const session = useSession(openClient);
  const connection = useMemo(() => overApollo(session.client), [session.client]);
  return (
    <ApolloProvider client={session.client}>
      <TaxirankProvider connection={connection}>
        <Page {...session} />
      </TaxirankProvider>
    </ApolloProvider>
  );
}

/** The form for who is not logged in; otherwise the screen of a rider or a driver. */
function Page({ link, renew }: Pick<Session<unknown>, "link" | "renew">) {
  const { data, error } = useQuery(Me);
  const [logOut, loggedOut] = useMutation(LogOut, { errorPolicy: "all", onCompleted: renew });
  const me = data?.me;
  return (
    <>
      <header>
        <h1>Taxirank</h1>
        {me && (
          <>
            <span>{me.firstName}</span>
            <button onClick={() => void logOut()}>Log out</button>
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
  const [signUp, signedUp] = useMutation(SignUp, {
    errorPolicy: "all",
    onCompleted: ({ signUp: { errors } }) => errors.length === 0 && onDone(),
  });
  const [logIn, loggedIn] = useMutation(LogIn, {
    errorPolicy: "all",
    onCompleted: ({ logIn: { errors } }) => errors.length === 0 && onDone(),
  });
  return (
    <SignInForm
      isBusy={signedUp.loading || loggedIn.loading}
      problems={[...mutationProblems(signedUp), ...mutationProblems(loggedIn)]}
      onSignUp={(input) => void signUp({ variables: { input } })}
      // Without a token the session is a cookie.
      onLogIn={(username, password) => void logIn({ variables: { username, password, issueToken: false } })}
    />
  );
}
