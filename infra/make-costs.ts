// Writes the tables of costs in docs/deploy.md: `npm run docs:costs`.
import { readFileSync, writeFileSync } from 'node:fs'
import { fillCosts } from './cost-tables.ts'

const page = new URL('../docs/deploy.md', import.meta.url)
writeFileSync(page, fillCosts(readFileSync(page, 'utf8')))
