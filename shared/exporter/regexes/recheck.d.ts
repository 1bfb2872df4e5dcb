/** The part of recheck that is plain JavaScript: no Java, no binary, no threads. The package declares its entry alone. */
declare module 'recheck/lib/browser.js'
