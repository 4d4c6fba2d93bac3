// Express 4 for the tests, under a name that its types do not know.
declare module 'express-v4' {
  export { default } from 'express';
}
