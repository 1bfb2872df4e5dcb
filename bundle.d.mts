/** Writes `cli.js` with its chunks and `encoder-worker.cjs` into a folder; other files are left alone. */
export function bundleProgram(
  outdir: string,
  options?: { readonly sourcemap?: boolean },
): Promise<void>

/** Writes the encoder worker, or another one, into one file. */
export function bundleWorker(
  outfile: string,
  options?: { readonly entry?: string; readonly sourcemap?: boolean },
): Promise<void>
