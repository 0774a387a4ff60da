import { defineConfig } from "vite";

// The app's own server is asked for /api, so that the page and the gateway have one origin while you develop.
const gateway = process.env["GATEWAY"] ?? "http://localhost:8501";

export default defineConfig({
  base: "./", // the built page works below any address
  // As an object: a mere address has Vite change the host that is asked for, and the page's origin is then a foreign one.
  server: { proxy: { "/api": { target: gateway } } },
  preview: { proxy: { "/api": { target: gateway } } },
});
