// Ends with 0 where the server on this machine welcomes requests.
const port = process.env.PORT || '8080'
const answer = await fetch(`http://127.0.0.1:${port}/readyz`, {
  signal: AbortSignal.timeout(4_000),
})
process.exit(answer.ok ? 0 : 1)
