// Prints, one JSON object a line, what each audit of a GraphQL server at the given address came to.
import { serverAudits } from 'graphql-http'

for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const { id, name, status, reason } = await audit.fn()
  console.log(JSON.stringify({ id, name, status, reason }))
}
