import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openRegistry } from '../../../shared/registry/registry.ts'
import { openDirectoryStore } from '../../../shared/registry/stores/directory/store.ts'
import { mayHaveModel } from '../../../shared/registry/stores/open-store.ts'
import { createTestHead, publishHead } from '../../fakes/heads.ts'
import { useScratch } from './scratch.ts'

const scratch = useScratch()

describe('a glance at a registry', () => {
  it('rules a name out only where a folder has nothing of it', async () => {
    const folder = await scratch()
    const url = pathToFileURL(folder).href
    await publishHead(openRegistry(openDirectoryStore(folder)), 'ticket', createTestHead('t'))
    expect(mayHaveModel(url, 'ticket')).toBe(true)
    expect(mayHaveModel(url, 'Ticket@v3')).toBe(true)
    expect(mayHaveModel(`file:${folder}`, 'ticket@champion')).toBe(true)
    expect(mayHaveModel(url, 'other')).toBe(false)
    expect(mayHaveModel(`file:${join(folder, 'not-made-yet')}`, 'ticket')).toBe(false)
  })

  it('rules nothing out where the folder cannot be looked into', async () => {
    const place = join(await scratch(), 'loop')
    await symlink(place, place)
    expect(mayHaveModel(`file:${place}`, 'ticket')).toBe(true)
  })

  it('rules nothing out on other stores', () => {
    expect(mayHaveModel('s3://bucket/prefix', 'ticket')).toBe(true)
    expect(mayHaveModel('memory:', 'ticket')).toBe(true)
  })

  it('refuses a URL of no folder', () => {
    expect(() => mayHaveModel('file://models', 'ticket')).toThrow('three slashes')
  })
})
