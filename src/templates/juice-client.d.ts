/** The package types its main entry only; this one is the same function without its readers of files and URLs. */
declare module 'juice/client.js' {
  import juice from 'juice';
  export default juice;
}
