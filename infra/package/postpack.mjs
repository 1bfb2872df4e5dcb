// What `npm pack` and `npm publish` do last: the clone has the libraries in node_modules.
import { rmSync } from 'node:fs'

rmSync(new URL('../../native', import.meta.url), { recursive: true, force: true })
