/** The CommonJS build has this in place of `shared.ts`: there the parts are found when they are needed. */
export function enableSharing(): void {}
