import { type Info, infoSchema } from '../../../shared/contract/info.ts'
import type { Route } from '../types.ts'

/** `GET /info`: the default encoder and the limits, for clients of text-embeddings-inference and people. */
export const infoRoute: Route = {
  method: 'get',
  path: '/info',
  scope: 'infer',
  docs: {
    summary: 'Describe the default encoder and the limits',
    tag: 'models',
    response: infoSchema,
  },
  handler:
    ({ encoders, config, version }) =>
    (c) => {
      const { info } = encoders.resolve()
      const answer: Info = {
        model_id: info.name,
        model_sha: info.family,
        model_dtype: info.precision,
        served_model_name: info.name,
        modality: info.modality,
        model_type: { embedding: { pooling: info.pooling } },
        max_concurrent_requests: config.maxRequests,
        max_input_length: info.maxTokens,
        max_batch_tokens: config.maxQueueTokens,
        max_client_batch_size: config.maxInputs,
        auto_truncate: true,
        tokenization_workers: info.workers,
        version,
        model_version: info.version,
        dimension: info.dimension,
        family: info.family,
        fingerprint: info.fingerprint,
        device: info.device,
        workers: info.workers,
        prompts: { ...info.prompts },
        default_prompt_name: info.defaultPrompt,
        max_body_bytes: config.maxBodyBytes,
        max_text_bytes: config.maxTextBytes,
        max_image_bytes: config.maxImageBytes,
        max_image_pixels: config.maxImagePixels,
      }
      return c.json(answer)
    },
}
