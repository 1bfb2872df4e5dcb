import { Hono } from 'hono'
import type { RouteDescription } from './describe-route.ts'
import type { ApiEnv } from './types.ts'

/** The application with what its routes say about themselves, for `/openapi.json`. */
export class ApiApp extends Hono<ApiEnv> {
  readonly described: RouteDescription[] = []
}
