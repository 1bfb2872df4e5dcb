import { isImageFolder } from '../../exporter/source/is-image-folder.ts'
import type { FineTuneTools } from '../fine-tune-tools.ts'
import { openImageBase } from '../image/image-base.ts'
import type { FineTuneInit } from '../protocol.ts'
import { openTextBase } from '../text/text-base.ts'
import type { TrainableBase } from '../trainable-base.ts'

/** Opens what is to be trained, with its rows: an encoder of images where the folder is of one, else of texts. */
export function openBase(
  request: FineTuneInit['request'],
  { scratch, ...tools }: FineTuneTools & { readonly scratch: string },
): Promise<TrainableBase> {
  return isImageFolder(request.baseFolder)
    ? openImageBase(request, tools)
    : openTextBase(request, scratch)
}
