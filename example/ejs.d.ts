declare module 'ejs'
