import type { z } from 'zod'
import type { ApiApp } from './types.ts'

/** What `/openapi.json` says about a route. */
export interface RouteDescription {
  readonly method: 'get' | 'post'
  /** With parameters in braces: `/v1/models/{id}`. */
  readonly path: string
  readonly summary: string
  readonly tag: 'embeddings' | 'classification' | 'models' | 'operations'
  readonly body?: z.ZodType
  /** True where images may come as they are instead. */
  readonly uploads?: boolean
  readonly response: z.ZodType
  readonly headers?: z.ZodObject
  readonly params?: z.ZodObject
  /** The form of the errors: ours, or that of text-embeddings-inference. */
  readonly errors?: 'unified' | 'tei'
}

/** Adds a route to the OpenAPI document; checking requests is left to `parseBody`, which names the field. */
export function describeRoute(app: ApiApp, route: RouteDescription): void {
  app.described.push(route)
}
