import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The app's own server is asked for /api, so that the page and the gateway have one origin.
const proxy = { "/api": { target: process.env["GATEWAY"] ?? "http://localhost:8501" } };

export default defineConfig({ base: "./", plugins: [react()], server: { proxy }, preview: { proxy } });
