import { describe, expect, it } from 'vitest'
import { chooseDevice, type DeviceWish } from '../../../shared/runtime/workers/choose-device.ts'
import { probeDevice } from '../../../shared/runtime/workers/device-probe.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const WORKS = { fault: null, float16: true }
const SINGLE = { fault: null, float16: false }
const BROKEN = { fault: 'graph: ONNX Runtime refuses it: no such\n library', float16: false }

/** What a wish is answered with where every device is as reported, and which device was tried. */
async function choose(wish: Partial<DeviceWish>, report = WORKS as typeof WORKS | typeof BROKEN) {
  const tried: string[] = []
  const plain = { device: 'cpu', precision: undefined, workers: undefined, cores: 4 } as const
  const choice = await chooseDevice({ ...plain, ...wish }, async (device) => {
    tried.push(device)
    return report
  })
  return { ...choice, tried }
}

describe('chooseDevice', () => {
  it('takes the CPU with int8 and all cores, and tries nothing', async () => {
    const onCpu = { device: 'cpu', precision: 'int8', workers: 4, note: null, tried: [] }
    expect(await choose({})).toEqual({ ...onCpu, orBest: true })
    const asked = { precision: 'float16', workers: 2 } as const
    expect(await choose(asked)).toEqual({ ...onCpu, ...asked, orBest: false })
  })

  it('takes a GPU that works with float16 and one worker', async () => {
    const onGpu = { device: 'cuda', precision: 'float16', workers: 1, note: null, tried: ['cuda'] }
    expect(await choose({ device: 'cuda' })).toEqual({ ...onGpu, orBest: true })
    expect(await choose({ device: 'auto' })).toEqual({ ...onGpu, orBest: true })
    const asked = { precision: 'float32', workers: 2, orBest: false } as const
    expect(await choose({ device: 'cuda', ...asked })).toEqual({ ...onGpu, ...asked })
  })

  it('takes float32 on a GPU without half precision and says so, but not where float16 is asked for', async () => {
    expect(await choose({ device: 'webgpu' }, SINGLE)).toMatchObject({
      device: 'webgpu',
      precision: 'float32',
      note: expect.stringContaining('float32 runs'),
    })
    expect((await choose({ device: 'webgpu', precision: 'float32' }, SINGLE)).note).toBeNull()
    await expect(choose({ device: 'webgpu', precision: 'float16' }, SINGLE)).rejects.toMatchObject({
      code: 'invalid_config',
      param: 'ESPALIER_PRECISION',
    })
  })

  it('fails on one line where the GPU asked for does not work; auto falls back and says so', async () => {
    await expect(choose({ device: 'cuda' }, BROKEN)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/^ESPALIER_DEVICE=cuda .*: no such library; .*auto/),
    })
    expect(await choose({ device: 'auto' }, BROKEN)).toMatchObject({
      device: 'cpu',
      precision: 'int8',
      workers: 4,
      note: expect.stringMatching(/^no GPU in use, running on the CPU: no such library/),
    })
  })

  it('never runs int8 on a GPU', async () => {
    await expect(choose({ device: 'cuda', precision: 'int8' })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('int8 runs on CPUs, not on cuda'),
    })
    const { device, note, tried } = await choose({ device: 'auto', precision: 'int8' })
    expect({ device, tried }).toEqual({ device: 'cpu', tried: [] })
    expect(note).toContain('int8')
  })
})

describe('probeDevice', () => {
  it('reports what a device can do, and why one does not work', async () => {
    const workerUrl = await bundleWorker()
    expect(await probeDevice(workerUrl, 'cpu')).toEqual({ fault: null, float16: true })
    const cuda = await probeDevice(workerUrl, 'cuda')
    if (cuda.fault === null) return
    expect(cuda).toEqual({ fault: expect.stringMatching(/cuda/i), float16: false })
  })
})
