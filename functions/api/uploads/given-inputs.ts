import type { GivenInput } from '../../../shared/serving/read-inputs.ts'
import type { ApiContext } from '../types.ts'

/** The inputs of a request, and what its caller calls them. */
export interface GivenInputs {
  readonly inputs: GivenInput | readonly GivenInput[]
  readonly field: string
}

/** What was uploaded, else the inputs of the JSON in `field`. */
export function givenInputs(
  c: ApiContext,
  field: string,
  inputs: GivenInput | readonly GivenInput[],
): GivenInputs {
  const upload = c.get('upload')
  if (upload === undefined) return { inputs, field }
  const images = upload.images.map((image) => ({ image }))
  return { inputs: upload.single ? images[0]! : images, field: 'image' }
}
