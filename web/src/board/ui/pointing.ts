/** Whether fingers point here, and no mouse. */
export const IS_TOUCHED = matchMedia("(hover: none)").matches;
