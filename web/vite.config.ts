import { defineConfig } from 'vite';

export default defineConfig({
  base: '/static/',
  build: {
    outDir: '../server/static',
    emptyOutDir: true,
    // The editor is one large chunk that every visit needs.
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      // One line a page.
      input: { graphiql: 'graphiql/index.html', explorer: 'explorer/index.html' },
      // Some packages mark their files for React's server side, which these pages do not have.
      onwarn: (warning, warn) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
});
