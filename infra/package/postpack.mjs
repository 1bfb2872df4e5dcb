// postpack.mjs FOLDER: what `npm pack` and `npm publish` do last. Removes a folder, below the root of the project, that
// was made for the package alone.
import { rmSync } from 'node:fs'
import { argv } from 'node:process'

rmSync(new URL(`../../${argv[2]}`, import.meta.url), { recursive: true, force: true })
