// Writes docs/cli.md from the commands: `npm run docs:cli`.
import { writeFileSync } from 'node:fs'
import { renderCliReference } from './cli-reference.ts'

writeFileSync(new URL('../docs/cli.md', import.meta.url), renderCliReference())
