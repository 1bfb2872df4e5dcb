import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { wasBusy } from '../../bench/lib/machine.ts'
import { fieldMib, findListener, listeningInode } from '../../bench/lib/process-memory.ts'
import { loadWorkloads } from '../../bench/lib/workloads.ts'
import { findDoubts } from '../../bench/report/render.ts'

const STATUS = 'Name:\tnode\nVmPeak:\t 1048576 kB\nVmHWM:\t  307200 kB\nVmRSS:\t  256000 kB\n'
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 20 4 30 10 -1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
`
const machine = { cpu: 'x', cores: 2, memoryGib: 8, node: 'v20', platform: 'linux-x64', load: 0.4 }

describe('process memory', () => {
  it('reads fields of /proc in MiB', () => {
    expect(fieldMib(STATUS, 'VmRSS')).toBe(250)
    expect(fieldMib(STATUS, 'VmHWM')).toBe(300)
    expect(fieldMib(STATUS, 'Pss')).toBeNull()
  })

  it('finds the socket that listens on a port, not one that is connected', () => {
    expect(listeningInode(TCP, 8080)).toBe('4242')
    expect(listeningInode(TCP, 8081)).toBeNull()
  })

  it.runIf(process.platform === 'linux')('finds this process by its port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(findListener(port)).toBe(process.pid)
    server.close()
  })
})

describe('doubts', () => {
  it('names a busy machine, wide measurements and unsure ratios', () => {
    expect(wasBusy(machine)).toBe(false)
    const part = {
      title: '',
      method: '',
      tables: [],
      measurements: [
        { name: 'steady', unit: 'ms', passes: [100, 101, 102] },
        { name: 'wide', unit: 'ms', passes: [100, 150, 100] },
      ],
      ratios: [{ key: 'a.b', value: 2, spread: 0.2 }],
      notes: [],
    }
    expect(findDoubts({ ...machine, load: 3 }, [part])).toEqual([
      'the machine was busy before the first pass (load 3): repeat when idle',
      '1 of 2 measurements spread by more than 15 %',
      'ratios that spread by more than 15 %: `a.b` 20 %',
    ])
    expect(findDoubts(machine, [{ ...part, measurements: [], ratios: [] }])).toEqual([])
  })
})

describe('loadWorkloads', () => {
  it('makes stand-ins where the lists are absent: so many, the same each time, hardly any twice', () => {
    const root = fileURLToPath(new URL('../../..', import.meta.url))
    const counts = { short: 200, mixed: 100, long: 20 }
    // Below the root the lists are never there.
    const [short, mixed, long] = loadWorkloads(root, counts, `${root}/nowhere`)
    expect([short, mixed, long].map((workload) => workload?.texts.length)).toEqual([200, 100, 20])
    expect(short?.source).toBe('generated, 200 texts')
    expect(loadWorkloads(root, counts, `${root}/nowhere`)[0]).toEqual(short)
    expect(new Set(short?.texts).size).toBeGreaterThan(180)
    expect(long?.texts.every((text) => text.split(' ').length >= 190)).toBe(true)
  })
})
