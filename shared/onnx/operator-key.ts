import type { Node } from './graph.ts'

/** What tables of operators are indexed by: the operator's name, behind its domain where it has one. */
export function operatorKey({ op, domain }: Pick<Node, 'op' | 'domain'>): string {
  return domain === '' ? op : `${domain}.${op}`
}

/** An integer attribute. */
export function integerAttribute(node: Node, name: string, fallback: number): number {
  const value = node.attributes[name]
  return typeof value === 'number' ? value : fallback
}

/** A float attribute. */
export function floatAttribute(node: Node, name: string, fallback: number): number {
  const value = node.attributes[name]
  if (typeof value === 'number') return value
  return typeof value === 'object' && 'float' in value ? value.float : fallback
}

/** An attribute that is a list of integers; null where the node has none. */
export function integersAttribute(node: Node, name: string): readonly number[] | null {
  const value = node.attributes[name]
  return Array.isArray(value) ? (value as readonly number[]) : null
}
