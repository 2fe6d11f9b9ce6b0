// A module with all that it imports, for a browser: {"text": …} on standard output.
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [process.argv[2]],
  bundle: true,
  write: false,
  format: "esm",
  jsx: "automatic",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
});
process.stdout.write(JSON.stringify({ text: outputFiles[0].text }));
