/** The signs of the map and of its legend: each kind has a shape of its own, and not only a colour. */

/** What the map shows: three kinds of drivers, and two of trips. */
export const KINDS = ["available", "on-trip", "silent", "request", "under-way"] as const;
export type Kind = (typeof KINDS)[number];

interface Sign {
  /** An SVG path around the sign's point, in pixels, heading north. */
  path: string;
  /** The same without a nose, for a car whose heading is unknown. */
  still?: string;
  fill: string;
  edge: string;
}

const CIRCLE = "M-6.5 0A6.5 6.5 0 1 0 6.5 0A6.5 6.5 0 1 0-6.5 0Z";

export const SIGNS: Record<Exclude<Kind, "under-way">, Sign> = {
  available: { path: "M0-11.5L4.2-5A6.5 6.5 0 1 1-4.2-5Z", still: CIRCLE, fill: "#17804a", edge: "#ffffff" },
  "on-trip": {
    path: "M0-12L5-6H6V7H-6V-6H-5Z",
    still: "M-6-6H6V6H-6Z",
    fill: "#ffc72c",
    edge: "#1d1d1f",
  },
  silent: { path: "M-5-5L5 5M-5 5L5-5", fill: "none", edge: "#7b7870" },
  request: { path: "M0 0C-4-7-10-10-10-17A10 10 0 0 1 10-17C10-10 4-7 0 0Z", fill: "#1a5fb4", edge: "#ffffff" },
};

/** A request that has waited for so long is drawn in red. */
export const LONG_WAIT_S = 180;
const LONG_WAIT_FILL = "#a8201a";
/** Whoever waits for longer waits "99" minutes on the map. */
const MOST_MINUTES = 99;

const PIXEL_RATIO = 2;
const SIZE = 32;
const PIN_HEIGHT = 60;

/** The name of an image. */
export function imageOfDriver(kind: "available" | "on-trip" | "silent", hasHeading: boolean): string {
  return hasHeading || kind === "silent" ? kind : `${kind}-still`;
}

export function imageOfRequest(waitS: number): string {
  const minutes = Math.min(MOST_MINUTES, Math.floor(Math.max(0, waitS) / 60));
  return `request-${waitS >= LONG_WAIT_S ? "long" : "new"}-${minutes}`;
}

/** Draws the image of that name. */
export function draw(name: string): { image: ImageData; pixelRatio: number } {
  const [, wait, minutes] = /^request-(long|new)-(\d+)$/.exec(name) ?? [];
  if (minutes !== undefined) return drawPin(minutes, wait === "long" ? LONG_WAIT_FILL : SIGNS.request.fill);
  const { path, still = path, fill, edge } = SIGNS[name.replace("-still", "") as keyof typeof SIGNS];
  const { context, finish } = canvas(SIZE, SIZE, SIZE / 2);
  paint(context, name.endsWith("-still") ? still : path, fill, edge);
  return finish();
}

/** A pin whose tip is in the middle of the picture. */
function drawPin(minutes: string, fill: string) {
  const { context, finish } = canvas(SIZE, PIN_HEIGHT, PIN_HEIGHT / 2);
  paint(context, SIGNS.request.path, fill, SIGNS.request.edge);
  context.fillStyle = "#ffffff";
  context.font = "700 10px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(`${minutes}′`, 0.5, -16.5);
  return finish();
}

function paint(context: CanvasRenderingContext2D, path: string, fill: string, edge: string) {
  const shape = new Path2D(path);
  context.lineJoin = "round";
  context.lineCap = "round";
  if (fill === "none") {
    // A cross that is seen on a light ground and on a dark one.
    context.strokeStyle = "#ffffff";
    context.lineWidth = 5;
    context.stroke(shape);
    context.strokeStyle = edge;
    context.lineWidth = 2.5;
    context.stroke(shape);
    return;
  }
  context.strokeStyle = edge;
  context.lineWidth = 3;
  context.stroke(shape);
  context.fillStyle = fill;
  context.fill(shape);
}

function canvas(width: number, height: number, y: number) {
  const element = document.createElement("canvas");
  element.width = width * PIXEL_RATIO;
  element.height = height * PIXEL_RATIO;
  const context = element.getContext("2d")!;
  context.scale(PIXEL_RATIO, PIXEL_RATIO);
  context.translate(width / 2, y);
  return {
    context,
    finish: () => ({ image: context.getImageData(0, 0, element.width, element.height), pixelRatio: PIXEL_RATIO }),
  };
}
