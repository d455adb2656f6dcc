/** Whether this is a touch device without a mouse. */
export const IS_TOUCHED = matchMedia("(hover: none)").matches;
