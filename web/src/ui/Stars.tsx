import "./Stars.css";

/** An average of ratings, such as `★ 4.8 (12)`. */
export function Stars({ rating: { average, count } }: { rating: { average: number; count: number } }) {
  const ratings = `${count} rating${count === 1 ? "" : "s"}`;
  return (
    <span className="stars">
      <span aria-hidden="true">
        <span className="star">★</span> {average.toFixed(1)} ({count})
      </span>
      <span className="visually-hidden">
        {average.toFixed(1)} stars of 5, {ratings}
      </span>
    </span>
  );
}
