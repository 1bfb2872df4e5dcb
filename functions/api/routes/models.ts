import { z } from 'zod'
import { modelAddressSchema } from '../../../shared/contract/inputs.ts'
import { modelListSchema, modelSchema } from '../../../shared/contract/models.ts'
import { isAdmin } from '../middleware/access.ts'
import { describeClassifier, describeEncoder } from '../responses/describe-model.ts'
import type { Route } from '../types.ts'

/** `GET /v1/models` */
export const modelsRoute: Route = {
  method: 'get',
  path: '/v1/models',
  scope: 'infer',
  docs: { summary: 'List the models', tag: 'models', response: modelListSchema },
  handler:
    ({ encoders, classifiers }) =>
    async (c) => {
      const heads = await classifiers.list()
      const data = [
        ...encoders.list().map(describeEncoder),
        ...heads.map((head) => describeClassifier(head)),
      ]
      return c.json({ object: 'list', data })
    },
}

/** `GET /v1/models/{id}`; the id may name a version or an alias. */
export const modelRoute: Route = {
  method: 'get',
  path: '/v1/models/:id',
  scope: 'infer',
  docs: {
    summary: 'Describe one model',
    tag: 'models',
    params: z.object({
      id: modelAddressSchema.describe('`name`, `name@alias` or `name@v7`.'),
    }),
    response: modelSchema,
  },
  handler:
    ({ encoders, classifiers, config }) =>
    async (c) => {
      const id = c.req.param('id') ?? ''
      const classifier = await classifiers.find(id)
      if (classifier) return c.json(describeClassifier(classifier, isAdmin(c, config)))
      const { info } = encoders.resolve(id)
      const entry = encoders.list().find((candidate) => candidate.info.name === info.name)
      return c.json(describeEncoder({ ...entry!, info }))
    },
}
