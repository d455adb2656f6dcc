/** The GraphQL operations of accounts and sessions. Their types are generated from these documents and the schema. */
import type { ResultOf } from "@graphql-typed-document-node/core";

import { graphql } from "./generated";

// The fields of `UserErrorData`.
graphql(`
  fragment UserErrorFields on UserError {
    code
    message
    field
    retryAfter
  }
`);

const PersonFields = graphql(`
  fragment PersonFields on User {
    id
    username
    firstName
    lastName
    role
    photo
    rating {
      average
      count
    }
  }
`);

const VehicleFields = graphql(`
  fragment VehicleFields on Vehicle {
    make
    model
    color
    licensePlate
    seats
  }
`);

const OwnFields = graphql(`
  fragment OwnFields on User {
    ...PersonFields
    email
    emailVerifiedAt
    approval
    approvalReason
    vehicle {
      ...VehicleFields
    }
  }
`);

export const SignUp = graphql(`
  mutation SignUp($input: SignUpInput!) {
    signUp(input: $input) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const LogIn = graphql(`
  mutation LogIn($username: String!, $password: String!) {
    logIn(username: $username, password: $password, issueToken: true) {
      user {
        id
        role
      }
      token
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const PushKey = graphql(`
  query PushKey {
    pushPublicKey
  }
`);

export const RegisterPush = graphql(`
  mutation RegisterPush($input: PushSubscriptionInput!) {
    registerPushSubscription(input: $input) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const RemovePush = graphql(`
  mutation RemovePush($endpoint: String!) {
    removePushSubscription(endpoint: $endpoint) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const LogOut = graphql(`
  mutation LogOut {
    logOut {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const UpdateMe = graphql(`
  mutation UpdateMe($input: UpdateMeInput!) {
    updateMe(input: $input) {
      user {
        ...OwnFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const ChangePassword = graphql(`
  mutation ChangePassword($input: ChangePasswordInput!) {
    changePassword(input: $input) {
      token
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const ChangeEmail = graphql(`
  mutation ChangeEmail($input: ChangeEmailInput!) {
    changeEmail(input: $input) {
      user {
        ...OwnFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const SendConfirmation = graphql(`
  mutation SendConfirmation {
    requestEmailVerification {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const DeleteMe = graphql(`
  mutation DeleteMe($password: String!) {
    deleteMe(password: $password) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const Me = graphql(`
  query Me {
    me {
      ...OwnFields
    }
  }
`);

export const SetVehicle = graphql(`
  mutation SetVehicle($input: VehicleInput) {
    setVehicle(input: $input) {
      user {
        ...OwnFields
      }
      errors {
        ...UserErrorFields
      }
    }
  }
`);

export const SetOnDuty = graphql(`
  mutation SetOnDuty($onDuty: Boolean!) {
    setOnDuty(onDuty: $onDuty) {
      errors {
        ...UserErrorFields
      }
    }
  }
`);

/** The user of a panel. */
export type Person = ResultOf<typeof OwnFields>;
/** The other party of a trip. */
export type Party = ResultOf<typeof PersonFields>;
export type Vehicle = ResultOf<typeof VehicleFields>;
