import type { BuildResult } from 'esbuild'

/**
 * Writes the program into a folder: `cli.js`, `lambda.js` and `index.js` with their chunks, `client.js` and the
 * workers, and the licences of the packages that went into it; other files are left alone. Gives their folders.
 */
export function bundleProgram(
  outdir: string,
  options?: { readonly sourcemap?: boolean },
): Promise<readonly string[]>

/**
 * Writes the functions that tell of changes of models and look after new champions into a folder: `handler.mjs`,
 * `bake.mjs`, and the licences of the packages that went into them. Gives their folders.
 */
export function bundleEvents(outdir: string): Promise<readonly string[]>

/** Writes the encoder worker, or another one, into one file. */
export function bundleWorker(
  outfile: string,
  options?: { readonly entry?: string; readonly sourcemap?: boolean },
): Promise<BuildResult>

/** Writes the client of the HTTP API into one file. */
export function bundleClient(
  outfile: string,
  options?: { readonly sourcemap?: boolean },
): Promise<BuildResult>
