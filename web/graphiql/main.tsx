import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './main.css';
import society from './society.graphql?raw';

const socket = new URL('/graphql', location.href);
socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';

// Each subscription opens a socket, which is told what stands in the editor of headers.
const fetcher = createGraphiQLFetcher({ url: '/graphql', subscriptionUrl: socket.href });

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no element #root');

createRoot(root).render(
  <StrictMode>
    <GraphiQL fetcher={fetcher} defaultQuery={society}>
      <GraphiQL.Logo>ECS GraphiQL</GraphiQL.Logo>
    </GraphiQL>
  </StrictMode>,
);
