/** 14 random digits of base 36, which hold 72 bits. */
export function randomName(random: () => number): string {
  return Array.from({ length: 14 }, () => Math.floor(random() * 36).toString(36)).join("")
}
