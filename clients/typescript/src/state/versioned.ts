/** A trip, as far as its order is concerned: a newer state has a greater `version`. */
export interface Versioned {
  readonly id: string;
  readonly version: number;
}
