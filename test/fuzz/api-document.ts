import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { ApiApp } from '../../functions/api/api-app.ts'

/** A JSON Schema as the document has them. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly not?: JsonSchema
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>

interface Parameter {
  readonly in: 'query' | 'header' | 'path'
  readonly name: string
  readonly required: boolean
  readonly schema: JsonSchema
}

/** What the document says of one method at one path. */
interface OperationObject {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required?: boolean; readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content: Content }>>
  readonly security?: readonly object[]
}

/** The parts of an OpenAPI document that are read here. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

/** One method at one path. */
export interface Operation extends OperationObject {
  readonly method: string
  /** As the document has it: `/v1/models/{id}`. */
  readonly path: string
}

/** The document of an application, and what holds values against its schemas. */
export class ApiDocument {
  readonly operations: readonly Operation[]
  readonly #document: OpenApi
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: false })
  readonly #compiled = new Map<JsonSchema, ValidateFunction>()

  constructor(document: OpenApi) {
    this.#document = document
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, said]) => ({ method, path, ...said })),
    )
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      this.#ajv.addSchema(this.#absolute(schema) as object, name)
    }
  }

  /** The schema itself, where it is a reference. */
  resolve(schema: JsonSchema): JsonSchema {
    if (schema.$ref === undefined) return schema
    const name = schema.$ref.split('/').at(-1)!
    const found = this.#document.components.schemas[name]
    if (!found) throw new Error(`the document has no ${schema.$ref}`)
    return this.resolve(found)
  }

  /** What is wrong with a value by a schema; null where nothing is. */
  faultOf(schema: JsonSchema, value: unknown): string | null {
    let validate = this.#compiled.get(schema)
    if (validate === undefined) {
      validate = this.#ajv.compile(this.#absolute(schema) as object)
      this.#compiled.set(schema, validate)
    }
    if (validate(value)) return null
    return this.#ajv.errorsText(validate.errors)
  }

  /** The schema with references by the names under which its components were added. */
  #absolute(schema: JsonSchema): unknown {
    return JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"'))
  }
}

/** The document that an application serves. */
export async function readDocument(app: ApiApp): Promise<ApiDocument> {
  return new ApiDocument((await (await app.request('/openapi.json')).json()) as OpenApi)
}
