// Evaluates requests against policies of AWS, for tests: POST a simulation of
// @cloud-copilot/iam-simulate, get {"result": "Allowed" | "ExplicitlyDenied" | …}.
// The first argument is the port on 127.0.0.1.
import { createServer } from 'node:http'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const server = createServer(async (request, response) => {
  const answer = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  try {
    let text = ''
    for await (const part of request) text += part
    if (text === '') return answer(200, {})
    const outcome = await runSimulation(JSON.parse(text), {})
    if (outcome.resultType === 'error') return answer(422, outcome.errors)
    answer(200, { result: outcome.overallResult, outcome })
  } catch (error) {
    answer(500, { error: String(error) })
  }
})
server.listen(Number(process.argv[2]), '127.0.0.1')
