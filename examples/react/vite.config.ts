import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The app's own server is asked for /api, so that the page and the gateway have one origin while you develop.
const gateway = process.env["GATEWAY"] ?? "http://localhost:8501";

export default defineConfig({
  base: "./", // the built page works below any address
  plugins: [react()],
  server: { proxy: { "/api": { target: gateway, ws: true } } },
  preview: { proxy: { "/api": { target: gateway, ws: true } } },
});
