import { portsPhrase } from "../lease/provisionForm";
import type { ImageType } from "../types/api";

interface Props {
  images: readonly ImageType[];
  chosen: string;
  error: string | undefined;
  onChoose: (imageType: string) => void;
}

/** The catalogue as cards to choose from; a description of the chosen one stands below. */
export function ImagePicker({ images, chosen, error, onChoose }: Props) {
  const image = images.find(({ imageType }) => imageType === chosen);
  return (
    <fieldset className="field image-picker" aria-describedby="image-note">
      <legend>Image</legend>
      <div className="image-cards">
        {images.map((candidate) => (
          <label key={candidate.imageType} className="image-card" title={candidate.description}>
            <input
              type="radio"
              name="imageType"
              value={candidate.imageType}
              checked={candidate.imageType === chosen}
              onChange={() => onChoose(candidate.imageType)}
            />
            <span className="image-name">{candidate.imageType}</span>
            <span className="image-ports">{portsPhrase(candidate)}</span>
          </label>
        ))}
      </div>
      <p
        id="image-note"
        className={error === undefined ? "hint" : "field-error"}
        aria-live="polite"
      >
        {error ?? (image && <ImageWords image={image} />)}
      </p>
    </fieldset>
  );
}

function ImageWords({ image }: { image: ImageType }) {
  return (
    <>
      {image.description} <code className="image-reference">{image.image}</code>
    </>
  );
}
