import { Hono } from 'hono'
import { LinearRouter } from 'hono/router/linear-router'
import type { RouteDescription } from './describe-route.ts'
import type { ApiEnv } from './types.ts'

/** The application with what its routes say about themselves, for `/openapi.json`. */
export class ApiApp extends Hono<ApiEnv> {
  readonly described: RouteDescription[] = []

  constructor() {
    // For two dozen routes as fast as the routers that have to be built, which the first request waits for.
    super({ router: new LinearRouter() })
  }
}
