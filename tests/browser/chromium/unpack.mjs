// Unpacks the browser of the package into the folder that TMPDIR names.
import chromium from "@sparticuz/chromium";

await chromium.executablePath();
