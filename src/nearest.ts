export { nearest } from './suggestion.js';
