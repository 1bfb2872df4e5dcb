/** `npm run docs:openapi`: writes docs/openapi.json, the document that a server with API keys answers. */
import { writeFileSync } from 'node:fs'
import { createOpenApiDocument } from '../../functions/api/responses/openapi-document.ts'
import { ROUTES } from '../../functions/api/routes/all.ts'
import packageJson from '../../package.json' with { type: 'json' }

const document = createOpenApiDocument(ROUTES, packageJson.version, 'keys')
const file = new URL('../../docs/openapi.json', import.meta.url)
writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
