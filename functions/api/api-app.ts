import { Hono } from 'hono'
import { matchedRoutes } from 'hono/route'
import { LinearRouter } from 'hono/router/linear-router'
import type { KeyScope } from '../../shared/lib/api-keys.ts'
import type { ApiContext, ApiEnv, Route, RouteHandler } from './types.ts'

/** The application with its routes, and which of them a request is for. */
export class ApiApp extends Hono<ApiEnv> {
  readonly #known: readonly Route[]
  readonly #mounted = new Map<string, Route>()

  /** @param known every route of the program; those not mounted still say who may ask at their place */
  constructor(known: readonly Route[]) {
    // For two dozen routes as fast as the routers that have to be built, which the first request waits for.
    super({ router: new LinearRouter() })
    this.#known = known
  }

  addRoute(route: Route, handler: RouteHandler): void {
    const method = route.method.toUpperCase()
    this.#mounted.set(`${method} ${route.path}`, route)
    this.on(method, route.path, handler)
  }

  /** The route that answers a request, by the router's own match; else one at its path, for another method. */
  routeOf(c: ApiContext): Route | null {
    const matched = matchedRoutes(c).at(-1)
    const answering = this.#mounted.get(`${matched?.method} ${matched?.path}`)
    return answering ?? this.routesAt(c.req.path)[0] ?? null
  }

  /** The routes at a path, with or without a slash at its end. */
  routesAt(path: string): Route[] {
    const segments = path.replace(/(?<=.)\/$/, '').split('/')
    return [...this.#mounted.values()].filter((route) => {
      const pattern = route.path.split('/')
      return (
        pattern.length === segments.length &&
        pattern.every((part, i) => part.startsWith(':') || part === segments[i])
      )
    })
  }

  /**
   * The scope that a key needs for a request; null where none is asked for. A path that no route has is guarded as
   * the first one that begins with the same word: what lies below `/admin/`, or is only spelled otherwise.
   */
  scopeOf(c: ApiContext): KeyScope | null {
    const { route } = c.get('record')
    if (route !== null) return route.scope
    const word = firstWord(c.req.path)
    const alike = this.#known.find(({ path }) => firstWord(path) === word)
    return alike?.scope ?? 'infer'
  }
}

function firstWord(path: string): string {
  return path.toLowerCase().split('/').find(Boolean) ?? ''
}
