import { env } from "node:process";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = env["SERVER_URL"] ?? "http://127.0.0.1:8000";

// The page and the API have one origin, so the session is a cookie. With `changeOrigin` the server would refuse the socket.
export default defineConfig({
  plugins: [react()],
  server: { proxy: { "/graphql": { target: server, ws: true }, "/media": server } },
});
