/** Draws infra/examples/shapes, the images of README and docs/images.md: npx tsx infra/make-example-shapes.ts */
import { fileURLToPath } from 'node:url'
import { writeShapes } from '../test/fakes/shapes.ts'

await writeShapes(fileURLToPath(new URL('examples/shapes', import.meta.url)), 8, 2026)
