export function report(error) {
  console.error("fault:", error.message)
}
