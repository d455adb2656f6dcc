/**
 * MapLibre itself. This module is a chunk of its own, which only pages with a map load, after their first picture.
 *
 * Its worker is a file of this build: the policy of the pages allows no `blob:`.
 */
import "maplibre-gl/dist/maplibre-gl.css";

import * as maplibre from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";

maplibre.setWorkerUrl(workerUrl);

export { maplibre };
