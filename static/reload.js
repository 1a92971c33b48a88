/** Looks again every three seconds, while Cerby is being asked. */

setTimeout(() => location.reload(), 3000);
