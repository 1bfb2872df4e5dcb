import { z } from 'zod'
import { modelListSchema, modelSchema } from '../../../shared/contract/models.ts'
import { describeRoute } from '../describe-route.ts'
import { isAdmin } from '../middleware/access.ts'
import { describeClassifier, describeEncoder } from '../responses/describe-model.ts'
import type { ApiApp, ApiDeps } from '../types.ts'

/** `GET /v1/models` and `GET /v1/models/{id}`; the id may name a version or an alias. */
export function addModelRoutes(app: ApiApp, { encoders, classifiers, config }: ApiDeps): void {
  describeRoute(app, {
    method: 'get',
    path: '/v1/models',
    summary: 'List the models',
    tag: 'models',
    response: modelListSchema,
  })
  app.get('/v1/models', async (c) => {
    const heads = await classifiers.list()
    const data = [
      ...encoders.list().map(describeEncoder),
      ...heads.map((head) => describeClassifier(head)),
    ]
    return c.json({ object: 'list', data })
  })

  describeRoute(app, {
    method: 'get',
    path: '/v1/models/{id}',
    summary: 'Describe one model',
    tag: 'models',
    params: z.object({ id: z.string() }),
    response: modelSchema,
  })
  app.get('/v1/models/:id', async (c) => {
    const classifier = await classifiers.find(c.req.param('id'))
    if (classifier) return c.json(describeClassifier(classifier, isAdmin(c, config)))
    const { info } = encoders.resolve(c.req.param('id'))
    const entry = encoders.list().find((candidate) => candidate.info.name === info.name)
    return c.json(describeEncoder({ ...entry!, info }))
  })
}
