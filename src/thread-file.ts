/**
 * Where a thread finds a file of ours. Threads load JavaScript only: where the asking file runs as TypeScript (tests), it is that of
 * the build.
 * @param here `import.meta.url` of the asking file
 * @param file relative to it, as it is called in the build: `./reading.worker.js`
 */
export function threadFile(here: string, file: string): URL {
  return new URL(file, here.endsWith('.ts') ? here.replace(/\/src\/(?!.*\/src\/)/, '/dist/') : here);
}
